//! How fast each client may send requests, here at this orchestrator.
//!
//! Of a client only one point in time is kept: when the requests that it has sent would be over if they came evenly
//! (the generic cell rate algorithm). It is refused while that is further ahead than its burst. Clients can be as many
//! as there are addresses, so what is kept has a bound: a crate for this keeps all of them until somebody sweeps
//! (governor's issue 171).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RequestRate;

/// Clients that are told apart at most: some 5 MiB. Beyond that, further ones count together.
const MOST_CLIENTS: usize = 50_000;
/// How often clients that are forgotten are looked for, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// Those from an address, of which nothing else is known.
    Address(IpAddr),
    /// Those from an address that were not let in.
    Refused(IpAddr),
    /// Those of somebody who signed in.
    User(String),
    /// Those with an API key.
    Key(String),
    /// Those with tickets of a tenant.
    Tickets(String),
    /// Those of whoever came when there were too many to be told apart.
    Others,
}

impl Client {
    /// Whoever has this address: of IPv6 addresses everybody has 2^64.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }

    /// Whoever has this address and is not let in.
    #[must_use]
    pub fn refused_at(address: IpAddr) -> Self {
        Self::Refused(network(address))
    }
}

/// What an address belongs to that one client has.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// What clients have sent lately.
#[derive(Debug)]
pub struct Rates {
    rate: RequestRate,
    most: usize,
    sent: Mutex<Sent>,
}

#[derive(Debug)]
struct Sent {
    /// When the requests of a client would be over if they came evenly.
    until: HashMap<Client, Instant>,
    swept: Instant,
}

impl Rates {
    /// With this rate for each client.
    #[must_use]
    pub fn new(rate: RequestRate) -> Self {
        Self {
            rate,
            most: MOST_CLIENTS,
            sent: Mutex::new(Sent {
                until: HashMap::new(),
                swept: Instant::now(),
            }),
        }
    }

    /// The rate of each client.
    #[must_use]
    pub const fn rate(&self) -> RequestRate {
        self.rate
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// It came too fast, and is not counted; after this time another one may come.
    pub fn take(&self, client: Client, now: Instant) -> Result<(), Duration> {
        self.look(client, now, true)
    }

    /// Whether a request of a client could come now.
    ///
    /// # Errors
    /// As [`Rates::take`].
    pub fn check(&self, client: Client, now: Instant) -> Result<(), Duration> {
        self.look(client, now, false)
    }

    fn look(&self, client: Client, now: Instant, counts: bool) -> Result<(), Duration> {
        let Some(interval) = Duration::from_secs(1).checked_div(self.rate.per_second) else {
            return Ok(());
        };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = sent.until.contains_key(&client);
        if !is_known && sent.until.len() >= self.most && now >= sent.swept + SWEEP {
            sent.until.retain(|_, until| *until > now);
            sent.swept = now;
        }
        let client = match is_known || sent.until.len() < self.most {
            true => client,
            false => Client::Others,
        };
        let until = sent.until.get(&client).copied().unwrap_or(now).max(now);
        let ahead = until.duration_since(now);
        let allowed = interval.saturating_mul(self.rate.burst.saturating_sub(1));
        if let Some(wait) = ahead.checked_sub(allowed)
            && !wait.is_zero()
        {
            return Err(wait);
        }
        if counts {
            sent.until.insert(client, until + interval);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_second: u32, burst: u32) -> Rates {
        Rates::new(RequestRate { per_second, burst })
    }

    fn client(number: u8) -> Client {
        Client::at(IpAddr::from([10, 0, 0, number]))
    }

    #[test]
    fn a_burst_then_evenly() {
        let rates = rates(10, 5);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..5 {
            rates.take(client(1), at(0)).unwrap();
        }
        let wait = rates.take(client(1), at(0)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(rates.check(client(1), at(0)), Err(wait));
        // Others are not kept back, and what was refused does not count.
        rates.take(client(2), at(0)).unwrap();
        rates.take(client(1), at(100)).unwrap();
        assert!(rates.take(client(1), at(199)).is_err());
        rates.check(client(1), at(200)).unwrap();
        rates.take(client(1), at(200)).unwrap();
        // A second of requests at the rate goes through, and a burst after silence.
        let passed = (0..200).filter(|step| rates.take(client(1), at(1000 + step * 5)).is_ok());
        assert_eq!(passed.count(), 5 + 9);
        for _ in 0..5 {
            rates.take(client(1), at(10_000)).unwrap();
        }
        assert!(rates.take(client(1), at(10_000)).is_err());
    }

    #[test]
    fn no_bound() {
        let rates = rates(0, 0);
        for _ in 0..10_000 {
            rates.take(client(1), Instant::now()).unwrap();
        }
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let rates = Rates {
            most: 3,
            ..rates(1, 1)
        };
        let start = Instant::now();
        for number in 0..3 {
            rates.take(client(number), start).unwrap();
        }
        // Further ones count together, and those from before are still told apart.
        rates.take(client(3), start).unwrap();
        assert!(rates.take(client(4), start).is_err());
        assert!(rates.take(client(0), start).is_err());
        assert_eq!(rates.sent.lock().unwrap().until.len(), 4);
        // Whoever has been silent is forgotten.
        let later = start + Duration::from_secs(5);
        rates.take(client(4), later).unwrap();
        assert!(rates.take(client(4), later).is_err());
        rates.take(client(5), later).unwrap();
        assert_eq!(rates.sent.lock().unwrap().until.len(), 2);
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_eq!(at("::ffff:10.0.0.1"), client(1));
        assert_ne!(at("2001:db8:0:1::1"), at("2001:db8::1"));
    }
}
