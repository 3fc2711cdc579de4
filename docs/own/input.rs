use mmoe::blob::{Check, InputRecord};
use mmoe::input::{InputCounts, InputStage};
use mmoe::zerocopy::{FromBytes, Immutable, KnownLayout};

/// An id, looked up in a table of `IDS` rows, in front of `NUMBERS` plain features: `WIDE` = `DIM`
/// + `NUMBERS` in all.
#[derive(FromBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "mmoe::zerocopy")]
#[repr(C)]
pub struct Embedding<const IDS: usize, const DIM: usize, const NUMBERS: usize, const WIDE: usize> {
    pub table: [[f32; DIM]; IDS],
}

/// What it takes.
pub struct Query<const NUMBERS: usize> {
    pub id: u32,
    pub numbers: [f32; NUMBERS],
}

impl<const IDS: usize, const DIM: usize, const NUMBERS: usize, const WIDE: usize> InputStage
    for Embedding<IDS, DIM, NUMBERS, WIDE>
{
    type From<'a> = &'a Query<NUMBERS>;
    type Out = [f32; WIDE];
    const SCRATCH: usize = size_of::<[f32; WIDE]>();
    fn describe(to: &mut Check<'_>) {
        const {
            assert!(
                DIM + NUMBERS == WIDE,
                "the embedding and the numbers fill the trunk's input"
            )
        };
        to.input(&InputRecord::raw(WIDE));
    }
    fn with<R>(&self, x: &Query<NUMBERS>, f: impl FnOnce(&[f32; WIDE], InputCounts) -> R) -> R {
        let mut all = [0.0; WIDE];
        // An id beyond the table is nobody: zeros.
        let row = self.table.get(x.id as usize).unwrap_or(&[0.0; DIM]);
        for (to, from) in all.iter_mut().zip(row.iter().chain(&x.numbers)) {
            *to = *from;
        }
        f(&all, InputCounts::default())
    }
}
