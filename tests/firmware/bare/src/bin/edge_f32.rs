#![doc = "edge in F32."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Edge<mmoe::F32>);
