//! Where an attempt comes from, and where it comes in.

/// Where attempts come in: an instance of the module, in one of the server's virtual servers. A challenge is answered where it was
/// put. Another server of the same database has the same names if it is configured the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct LoginEndpoint {
    /// The instance's name.
    pub instance: String,
    /// The virtual server; in a tunnel the one inside.
    pub virtual_server: String,
}

/// Where an attempt came from. Guesses are counted per user and source.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct AttemptSource {
    /// The client's address (NAS).
    pub client: String,
    /// Calling-Station-Id, printable; empty if there is none.
    pub calling_station: String,
    /// The server's number of the request, as in its log; none outside it.
    pub request: Option<u64>,
}

impl AttemptSource {
    /// What the guesses of this source are counted under.
    pub fn failure_key(&self) -> String {
        format!("{} {}", self.client, self.calling_station)
    }
}
