#![doc = "recsys in F32."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Recsys<mmoe::F32>);
