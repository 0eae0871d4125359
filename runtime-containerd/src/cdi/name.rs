//! Names of devices: `vendor.com/class=device`.

/// Whether this is the name of a device, with its vendor and its class.
pub(super) fn check(name: &str) -> Result<(), String> {
    let (kind, device) = name.split_once('=').ok_or("a device is named vendor/class=device")?;
    check_kind(kind)?;
    check_device(device)
}

/// The vendor and the class of the devices of one file.
pub(super) fn check_kind(kind: &str) -> Result<(), String> {
    let (vendor, class) = kind.split_once('/').ok_or_else(|| format!("{kind:?} is not vendor/class"))?;
    for (what, part) in [("vendor", vendor), ("class", class)] {
        let begins = part.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if !begins || !is_plain(part, "_-.") {
            return Err(format!(
                "{what} {part:?} must begin with a letter, end with a letter or digit, and have only these, '_', '-' and '.'"
            ));
        }
    }
    Ok(())
}

/// The name of a device within its kind.
pub(super) fn check_device(name: &str) -> Result<(), String> {
    match is_plain(name, "_-.:") {
        true => Ok(()),
        false => Err(format!(
            "device {name:?} must begin and end with a letter or digit, and have only these, '_', '-', '.' and ':'"
        )),
    }
}

/// Whether it begins and ends with a letter or digit, and has only these and some others.
fn is_plain(text: &str, others: &str) -> bool {
    let alphanumeric = |letter: char| letter.is_ascii_alphanumeric();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
}
