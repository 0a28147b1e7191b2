//! What people asked for, and its history: SQLite and PostgreSQL behind one interface.
