#![doc = "census on codes in F32."]
#![no_std]
#![no_main]
bare::image!(firmware_models::CensusCodes<mmoe::F32>);
