#![doc = "the click model from its vector in I8."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::ClicksFromVector<mmoe::I8>,
    &'static [f32; 60]
);
