#![doc = "census in I8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Census<mmoe::I8>);
