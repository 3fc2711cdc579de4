#![doc = "census in W8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Census<mmoe::W8>);
