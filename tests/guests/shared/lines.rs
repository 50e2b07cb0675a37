//! Commands come in lines, and lines come in pieces.

/// What has come of a line that is not complete.
#[derive(Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// The lines that these bytes complete, without their ends.
    pub fn take(&mut self, data: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(data);
        let Some(end) = self.0.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let rest = self.0.split_off(end + 1);
        let lines = String::from_utf8_lossy(&self.0).lines().map(str::to_owned).collect();
        self.0 = rest;
        lines
    }
}
