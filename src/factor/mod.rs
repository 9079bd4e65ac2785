//! The passcodes: TOTP, HOTP, recovery codes. Each answers whether a code is right and what spends it; nothing here
//! changes anything.
