//! Puts configuration, engine, factors and store together, and drives a decision on the caller's thread.
