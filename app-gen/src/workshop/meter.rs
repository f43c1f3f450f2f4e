//! What the gateway counts becomes events.

use crate::workshop::keys::Own;
use app_gen_contract::{Body, Payer, Tokens};
use app_gen_gateway::{Exchange, Observer, Place, Protocol, Refusal, Usage};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Learns of every request to a provider.
#[derive(Debug)]
pub(crate) struct Meter {
    sender: mpsc::UnboundedSender<Body>,
    own: Own,
    is_budget_spent: AtomicBool,
}

/// The usage events that are to be emitted, in their order. As many wait as requests were made since the
/// last one was taken.
pub(crate) type Metered = mpsc::UnboundedReceiver<Body>;

impl Meter {
    /// `own` is what the tenant pays for.
    pub(crate) fn new(own: Own) -> (Arc<Self>, Metered) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let meter = Self {
            sender,
            own,
            is_budget_spent: AtomicBool::new(false),
        };
        (Arc::new(meter), receiver)
    }

    /// Whether a request was refused because a budget is used up.
    pub(crate) fn is_budget_spent(&self) -> bool {
        self.is_budget_spent.load(Ordering::Relaxed)
    }
}

impl Observer for Meter {
    fn ended(&self, exchange: &Exchange) {
        if exchange.spent.tokens() > 0 {
            // Without a receiver the attempt has ended.
            let _ = self.sender.send(usage(exchange, &self.own));
        }
    }

    fn refused(&self, _: Option<&Place>, refusal: Refusal, _: &str) {
        if refusal == Refusal::Budget {
            self.is_budget_spent.store(true, Ordering::Relaxed);
        }
    }
}

fn usage(exchange: &Exchange, own: &Own) -> Body {
    let spent = &exchange.spent;
    Body::Usage {
        role: exchange.place.role.clone(),
        stage: exchange.place.stage.clone(),
        provider: match exchange.protocol {
            Protocol::Anthropic => "claude",
            Protocol::OpenAi => "codex",
        }
        .to_owned(),
        model: exchange.model.clone(),
        tokens: tokens(spent.usage + spent.estimated),
        micro_usd: (spent.unpriced_tokens == 0).then(|| spent.usd.millionths()),
        paid_by: match own.contains(&exchange.protocol) {
            true => Payer::Tenant,
            false => Payer::Platform,
        },
    }
}

fn tokens(usage: Usage) -> Tokens {
    let Usage {
        input,
        cache_read,
        cache_write,
        cache_write_long,
        output,
        thinking,
    } = usage;
    Tokens {
        input,
        cache_read,
        cache_write,
        cache_write_long,
        output,
        thinking,
    }
}
