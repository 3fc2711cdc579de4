#![doc = "the click model from records in I8."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::Clicks<mmoe::I8>,
    firmware_models::Click<'static>
);
