#![doc = "every kind of feature in I8."]
#![no_std]
#![no_main]
bare::everything!(mmoe::I8);
