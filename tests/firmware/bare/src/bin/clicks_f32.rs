#![doc = "the click model from records in F32."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::Clicks<mmoe::F32>,
    firmware_models::Click<'static>
);
