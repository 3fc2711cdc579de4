#![doc = "edge in W8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Edge<mmoe::W8>);
