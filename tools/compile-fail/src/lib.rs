//! Nothing but tests: models whose shapes do not fit do not compile, and what the compiler says can
//! be read (`tests/shapes/*.stderr`). A package of its own, so that the cases are built with the
//! engine alone.
