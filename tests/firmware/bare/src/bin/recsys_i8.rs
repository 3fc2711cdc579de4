#![doc = "recsys in I8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Recsys<mmoe::I8>);
