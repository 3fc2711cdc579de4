#![doc = "the click model from its vector in W8."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::ClicksFromVector<mmoe::W8>,
    &'static [f32; 60]
);
