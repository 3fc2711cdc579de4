#![doc = "every kind of feature in F32."]
#![no_std]
#![no_main]
bare::everything!(mmoe::F32);
