//! The macro that writes a record and its stage.

/// Writes a record of raw fields, a plain struct, and the stage that makes a vector of it.
///
/// The text says for each field its name, its type as the caller has it, and the feature that reads it.
/// The stage has one parameter, the precision, which its features may name; behind it stands how many
/// elements the features make in all. So one text serves every precision. The stage is the last
/// parameter of a family, as in `Mmoe<B, G, T, VisitStage<I8>>`; see [`features`](mod@crate::features) for
/// an example, and [`Both`](crate::features::Both) for two records of a model that ranks.
///
/// A field may read the coder and the rows of an earlier one, which are then stored once. It is written
/// `as` that one, with how its codes become elements: [`Row`](crate::features::Row),
/// [`Pooled`](crate::features::Pooled) or [`SideBySide`](crate::features::SideBySide).
///
/// ```
/// use mmoe::features::{Bag, Feature, Fill, Mean, Row, Sorted};
/// mmoe::features! {
///     /// What was bought, and what is offered now.
///     pub struct Offer<'a> => OfferStage<P>[16] {
///         bought: &'a [u32] = Bag<Sorted<500>, 20, Mean, 500, 8, P>,
///         offered: u32 = Row as bought,
///     }
/// }
/// // 500 keys, 500 rows and the code of all others, once.
/// assert_eq!(size_of::<OfferStage<mmoe::F32>>(), 4 + 4 * 500 + 4 * 8 * 500);
/// ```
///
/// And several features may read one field. Those behind the first one have a name of their own, the
/// field in parentheses and no type:
///
/// ```
/// use mmoe::features::{Buckets, Embed, Fill, Number};
/// mmoe::features! {
///     /// An age, as a number and by its group.
///     pub struct Person => PersonStage<P>[3] {
///         age: f32 = Number<P>,
///         age_group(age) = Embed<Buckets<4>, 5, 2, P>,
///     }
/// }
/// let person = Person { age: 34.0 };
/// assert_eq!(<PersonStage<mmoe::F32> as Fill>::WIDTH, 3);
/// # let _ = person;
/// ```
#[macro_export]
macro_rules! features {
    (
        $(#[$doc:meta])*
        $vis:vis struct $Record:ident<$life:lifetime> => $Stage:ident<$P:ident>[$width:expr] {
            $(
                $(#[$about:meta])*
                $name:ident $(($field:ident))? $(: $T:ty)? = $F:ty $(as $table:ident)?
            ),+ $(,)?
        }
    ) => {
        $crate::__features! {
            @next { [$(#[$doc])*] $vis $Record [<$life>] [<'_>] $life $Stage $P [$width] }
            [] [] [] []
            $([$(#[$about])*] $name $(($field))? $(: $T)? = $F $(as $table)?,)+
        }
    };
    (
        $(#[$doc:meta])*
        $vis:vis struct $Record:ident => $Stage:ident<$P:ident>[$width:expr] {
            $(
                $(#[$about:meta])*
                $name:ident $(($field:ident))? $(: $T:ty)? = $F:ty $(as $table:ident)?
            ),+ $(,)?
        }
    ) => {
        $crate::__features! {
            @next { [$(#[$doc])*] $vis $Record [] [] 'a $Stage $P [$width] }
            [] [] [] []
            $([$(#[$about])*] $name $(($field))? $(: $T)? = $F $(as $table)?,)+
        }
    };
}

/// The record and the stage of [`features!`]. The features are gathered one by one, into four lists: the
/// fields of the record; the features that have bytes of their own; all features with the field that each
/// reads and how; their names.
#[doc(hidden)]
#[macro_export]
macro_rules! __features {
    // The next feature reads a field of its own.
    (
        @next $what:tt [$($fields:tt)*] $own:tt $all:tt $names:tt
        [$($about:tt)*] $name:ident: $T:ty = $($rest:tt)*
    ) => {
        $crate::__features! {
            @feature $what [$($fields)* [$($about)*] $name: $T,] $own $all $names
            $name $name = $($rest)*
        }
    };
    // The next feature reads the field of an earlier one.
    (
        @next $what:tt $fields:tt $own:tt $all:tt $names:tt
        [$($about:tt)*] $name:ident($field:ident) = $($rest:tt)*
    ) => {
        $crate::__features! {
            @feature $what $fields $own $all $names $name $field = $($rest)*
        }
    };
    // It has bytes of its own.
    (
        @feature $what:tt $fields:tt [$($own:tt)*] [$($all:tt)*] [$($names:tt)*]
        $name:ident $field:ident = $F:ty, $($rest:tt)*
    ) => {
        $crate::__features! {
            @next $what $fields
            [$($own)* $name: $F,] [$($all)* [$name $field $F]] [$($names)* $name] $($rest)*
        }
    };
    // It reads another one's table.
    (
        @feature $what:tt $fields:tt $own:tt [$($all:tt)*] [$($names:tt)*]
        $name:ident $field:ident = $K:ty as $table:ident, $($rest:tt)*
    ) => {
        $crate::__features! {
            @next $what $fields
            $own [$($all)* [$name $field $K; $table]] [$($names)* $name] $($rest)*
        }
    };
    (
        @next
        {
            [$($doc:tt)*] $vis:vis $Record:ident [$($with:tt)*] [$($any:tt)*] $life:lifetime
            $Stage:ident $P:ident [$width:expr]
        }
        [$([$($about:tt)*] $field:ident: $T:ty,)+] [$($own:ident: $F:ty,)+]
        [$($all:tt)+] [$($names:ident)+]
    ) => {
        $($doc)*
        #[derive(Clone, Copy, Debug)]
        $vis struct $Record $($with)* {
            $(
                #[doc = concat!("The field `", stringify!($field), "`.")]
                $($about)*
                pub $field: $T,
            )+
        }
        #[doc = concat!("The features of [`", stringify!($Record), "`], as they lie in the blob.")]
        #[derive(
            Debug,
            $crate::zerocopy::TryFromBytes,
            $crate::zerocopy::KnownLayout,
            $crate::zerocopy::Immutable,
        )]
        #[zerocopy(crate = "mmoe::zerocopy")]
        #[repr(C)]
        $vis struct $Stage<$P: $crate::precision::Precision> {
            $(
                #[doc = concat!("The feature `", stringify!($own), "`.")]
                pub $own: $F,
            )+
        }
        // The names of fields become those of types and of variants here.
        #[allow(non_camel_case_types, type_alias_bounds, dead_code)]
        impl<$P: $crate::precision::Precision> $crate::features::Fill for $Stage<$P> {
            type Act = $P::Act;
            type Record<$life> = $Record $($with)*;
            const WIDTH: usize = {
                $(type $own<$P> = $crate::features::Own<$F, $P>;)+
                const WIDTH: usize = $width;
                let made = 0 $(+ $crate::__features!(@width $P $all))+;
                assert!(made == WIDTH, "the number in brackets is not that of all elements");
                WIDTH
            };
            fn describe(to: &mut $crate::blob::FeatureCheck<'_>) {
                $(type $own<$P> = $crate::features::Own<$F, $P>;)+
                /// The places of all fields.
                enum Field {
                    $($field,)+
                }
                /// The places of all features.
                enum At {
                    $($names,)+
                }
                to.features(
                    &const { [$($crate::__features!(@record Field At $P $all),)+] },
                    const { [$(Field::$field),+].len() as u32 },
                );
            }
            #[inline(always)]
            fn fill(
                &self,
                x: $Record $($any)*,
                y: &mut [$P::Act],
            ) -> $crate::input::InputCounts {
                let mut counts = $crate::input::InputCounts::default();
                $(let y = $crate::__features!(@fill (self x y counts) $all);)+
                let _ = y;
                counts
            }
        }
        impl<$P: $crate::precision::Precision> $crate::input::InputStage for $Stage<$P> {
            type From<$life> = $Record $($with)*;
            type Out = [$P::Act; $width];
            const SCRATCH: usize = size_of::<[$P::Act; $width]>();
            const RECORD: bool = true;
            fn describe(to: &mut $crate::blob::Check<'_>) {
                to.input(&const {
                    $crate::blob::InputRecord::record(<Self as $crate::features::Fill>::WIDTH)
                });
            }
            fn features(to: &mut $crate::blob::FeatureCheck<'_>) {
                <Self as $crate::features::Fill>::describe(to);
            }
            fn with<R>(
                &self,
                x: Self::From<'_>,
                f: impl FnOnce(&Self::Out, $crate::input::InputCounts) -> R,
            ) -> R {
                $crate::features::with_vector(
                    |y: &mut Self::Out| $crate::features::Fill::fill(self, x, y),
                    f,
                )
            }
        }
    };
    (@width $P:ident [$name:ident $field:ident $F:ty]) => {
        <$F as $crate::features::Feature>::WIDTH
    };
    (@width $P:ident [$name:ident $field:ident $K:ty; $table:ident]) => {
        <<$table<$P> as $crate::features::Owned>::Feature as $crate::features::ReadAs<$K>>::WIDTH
    };
    (@record $Field:ident $At:ident $P:ident [$name:ident $field:ident $F:ty]) => {
        <$F as $crate::features::Feature>::RECORD.at($Field::$field as u8, $At::$name as u8)
    };
    (
        @record $Field:ident $At:ident $P:ident
        [$name:ident $field:ident $K:ty; $table:ident]
    ) => {
        <<$table<$P> as $crate::features::Owned>::Feature as
            $crate::features::ReadAs<$K>>::RECORD.at($Field::$field as u8, $At::$table as u8)
    };
    (@fill ($self:ident $x:ident $y:ident $counts:ident) [$name:ident $field:ident $F:ty]) => {
        $crate::features::put(&$self.$name, $x.$field, $y, &mut $counts)
    };
    (
        @fill ($self:ident $x:ident $y:ident $counts:ident)
        [$name:ident $field:ident $K:ty; $table:ident]
    ) => {
        $crate::features::put_as::<$K, _>(&$self.$table, $x.$field, $y)
    };
}
