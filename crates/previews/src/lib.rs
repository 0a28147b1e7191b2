//! The use cases: everything that a person, an agent or GitHub can have done.
