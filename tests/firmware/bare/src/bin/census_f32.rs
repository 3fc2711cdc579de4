#![doc = "census in F32."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Census<mmoe::F32>);
