//! One front end of every feature, typed and shape-erased.
