#![doc = "every kind of feature in W8."]
#![no_std]
#![no_main]
bare::everything!(mmoe::W8);
