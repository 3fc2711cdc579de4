//! Tensors that stand in files beside the model.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::messages::Tensor;
use super::{FORMAT, Reason, numbers};
use crate::import::LONGEST;
use crate::import::collect::Budget;

/// As much of a file as is held at a time: a whole number of elements of every type.
const CHUNK: usize = 1 << 16;

/// The files beside a model, each opened once.
#[derive(Debug)]
pub(super) struct Companions {
    folder: Option<PathBuf>,
    opened: HashMap<String, (File, u64)>,
}

impl Companions {
    pub(super) fn of(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_owned),
            opened: HashMap::new(),
        }
    }

    /// The `count` numbers of a tensor that stands in another file, of which no more is held than
    /// they take: those files are as large as the model.
    pub(super) fn numbers(
        &mut self,
        tensor: &Tensor,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Vec<f64>, Reason> {
        let entry = |key: &str| {
            let found = tensor.external.iter().find(|e| e.key == key);
            found.map(|e| e.value.as_str())
        };
        let place = entry("location").unwrap_or_default();
        let number = |key: &str| entry(key).and_then(|v| v.parse::<u64>().ok());
        let (file, len) = self.open(place, tensor, budget)?;
        let start = number("offset").unwrap_or(0).min(*len);
        let bytes = number("length").unwrap_or(*len - start);
        let outside = || {
            let name = &tensor.name;
            Reason::damaged(FORMAT, format!("tensor `{name}` lies outside `{place}`"))
        };
        if start.checked_add(bytes).is_none_or(|end| end > *len) {
            return Err(outside());
        }
        budget.take((count as u64).saturating_mul(8), &tensor.name)?;
        file.seek(SeekFrom::Start(start))?;
        let mut from = file.take(bytes);
        let mut data = Vec::with_capacity(count);
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            from.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() || data.len() > count {
                return Ok(data);
            }
            data.extend(numbers(&chunk, tensor.dtype).ok_or_else(|| Reason::Dtype {
                tensor: tensor.name.clone(),
                dtype: format!("{} of ONNX", tensor.dtype),
            })?);
        }
    }

    fn open(
        &mut self,
        place: &str,
        tensor: &Tensor,
        budget: &mut Budget,
    ) -> Result<&mut (File, u64), Reason> {
        // Only a file of the model's own folder.
        let plain = Path::new(place)
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        let folder = self.folder.as_ref().filter(|_| plain && !place.is_empty());
        let folder = folder.ok_or_else(|| Reason::Kind {
            tensor: tensor.name.clone(),
            kind: format!("in a file of its own (`{place}`)"),
            remedy: "Put that file beside the model, under its name, or export with the weights \
                 inside",
        })?;
        if !self.opened.contains_key(place) {
            let file = File::open(folder.join(place))?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(Reason::NotAFile);
            }
            let length = metadata.len();
            if length > LONGEST {
                let most = LONGEST;
                return Err(Reason::TooLong { length, most });
            }
            budget.grow(usize::try_from(length).unwrap_or(usize::MAX));
            self.opened.insert(place.to_owned(), (file, length));
        }
        self.opened
            .get_mut(place)
            .ok_or_else(|| Reason::damaged(FORMAT, "a file beside it vanished"))
    }
}
