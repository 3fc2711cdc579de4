#![doc = "the click model from its vector in F32."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::ClicksFromVector<mmoe::F32>,
    &'static [f32; 60]
);
