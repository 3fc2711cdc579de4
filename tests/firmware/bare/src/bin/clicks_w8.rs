#![doc = "the click model from records in W8."]
#![no_std]
#![no_main]
bare::records!(
    firmware_models::Clicks<mmoe::W8>,
    firmware_models::Click<'static>
);
