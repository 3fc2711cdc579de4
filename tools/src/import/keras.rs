//! Keras' `.keras`: a zip archive of the model's configuration and its weights.

use super::archive::Archive;
use super::collect::Budget;
use super::{Reason, Weights, hdf5, json};

/// The members that make an archive a Keras model.
pub(super) const CONFIG: &str = "config.json";
/// See [`CONFIG`].
pub(super) const WEIGHTS: &str = "model.weights.h5";

pub(super) fn read(archive: &mut Archive<'_>, mut budget: Budget) -> Result<Weights, Reason> {
    let config = archive.read(CONFIG, &mut budget)?;
    let config = json::parse(&config, "its config.json", &mut budget)?;
    let file = archive.read(WEIGHTS, &mut budget)?;
    let mut weights = hdf5::read(file, budget)?;
    weights.format = "Keras .keras".to_owned();
    weights.config = Some(config);
    Ok(weights)
}
