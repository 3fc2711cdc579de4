#![doc = "census in I8<Pairs>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Census<mmoe::I8<mmoe::precision::Pairs>>);
