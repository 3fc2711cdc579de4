#![doc = "census on codes in I8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::CensusCodes<mmoe::I8>);
