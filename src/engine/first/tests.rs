//! Logins whose password is ours to have checked.
