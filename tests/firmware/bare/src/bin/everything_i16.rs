#![doc = "every kind of feature in I16."]
#![no_std]
#![no_main]
bare::everything!(mmoe::I16);
