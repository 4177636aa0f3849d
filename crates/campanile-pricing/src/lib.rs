//! The price book of campanile and its exact arithmetic.
