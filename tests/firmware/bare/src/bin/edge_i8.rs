#![doc = "edge in I8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Edge<mmoe::I8>);
