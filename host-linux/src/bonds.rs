//! Bonds as `/proc/net/bonding` prints them.

use towpath_engine::device::Devices;

/// The text of the bond of that name, or those of all bonds, a blank line between two.
///
/// # Errors
/// When there is none.
pub fn text(devices: &Devices, name: Option<&str>) -> Result<String, String> {
    let is_wanted = |id| name.is_none_or(|name| devices.find(id).is_some_and(|device| device.name == name));
    let wanted = devices.bonds().filter(|bond| is_wanted(bond.device()));
    let texts: Vec<String> = wanted.map(|bond| bond.text(devices)).collect();
    match (texts.is_empty(), name) {
        (false, _) => Ok(texts.join("\n")),
        (true, Some(name)) => Err(format!("there is no bond '{name}'")),
        (true, None) => Err("there are no bonds".to_owned()),
    }
}
