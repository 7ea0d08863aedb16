//! Dynamic endpoints learned, and flows named by them.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::catalog::Catalog;
use crate::event::{Event, RpcCall, RpcResult, Sink};
use crate::limits::RPC_ENDPOINTS;
use crate::net::{Addr, Direction, FlowKey, Side};
use crate::wire::Guid;

/// Client, server, port. The client is part of it because the flows of one pair of hosts are one
/// worker's: what is known does not depend on the number of workers.
type Key = (Addr, Addr, u16);

/// Endpoints as mappers told them. At most [`RPC_ENDPOINTS`]; the oldest goes.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// The interface, or none if several are there, which then names nothing.
    known: HashMap<Key, Option<Guid>, foldhash::fast::FixedState>,
    order: VecDeque<Key>,
}

impl Endpoints {
    fn learn(&mut self, key: Key, interface: Guid) {
        if let Some(known) = self.known.get_mut(&key) {
            if *known != Some(interface) {
                *known = None;
            }
            return;
        }
        if self.order.len() >= RPC_ENDPOINTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        self.known.insert(key, Some(interface));
    }

    fn get(&self, key: &Key) -> Option<Guid> {
        self.known.get(key).copied().flatten()
    }
}

/// A sink before a flow's own: it learns from answers, and names calls whose bind was missed.
#[allow(missing_debug_implementations)] // holds the sink
pub struct Learn<'a> {
    /// The flow.
    pub flow: &'a FlowKey,
    /// What is known.
    pub endpoints: &'a mut Endpoints,
    /// Names.
    pub catalog: &'a Catalog,
    /// Where events go.
    pub out: &'a mut dyn Sink,
}

impl Learn<'_> {
    /// The key of what the server of this flow listens on. Which end is server is not known here:
    /// the end on a port that was learned is.
    fn served(&self) -> Option<Guid> {
        [Side::A, Side::B].into_iter().find_map(|server| {
            let (client, server) = (self.flow.end(server.other()), self.flow.end(server));
            self.endpoints.get(&(client.addr, server.addr, server.port))
        })
    }
}

/// The port of the endpoint mapper, and over `ncacn_http`.
const MAPPERS: [u16; 2] = [135, 593];

impl Sink for Learn<'_> {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        match event {
            Event::RpcEndpoint(e) if !e.asked => {
                // The mapper speaks for its own host, whatever address it writes (NAT, several cards).
                let mapper = [Side::A, Side::B]
                    .into_iter()
                    .find(|side| MAPPERS.contains(&self.flow.end(*side).port));
                if let (Some(server), Some(interface), Some(port)) = (mapper, e.interface, e.port)
                    && port != 0
                    && e.transport != "ncadg_ip_udp"
                {
                    let (client, server) = (self.flow.end(server.other()), self.flow.end(server));
                    self.endpoints
                        .learn((client.addr, server.addr, port), interface);
                }
                self.out.event(direction, event);
            }
            Event::RpcCall(e) if e.interface.is_none() => {
                let Some(interface) = self.served() else {
                    return self.out.event(direction, event);
                };
                let catalog: &Catalog = self.catalog;
                let known = catalog.interface(interface);
                let call = RpcCall {
                    interface: Some(interface),
                    endpoint: known.map_or("", |i| &i.endpoint),
                    operation: known
                        .and_then(|i| i.operation(e.opnum))
                        .unwrap_or(e.operation),
                    by_endpoint: Some(true),
                    ..*e
                };
                self.out.event(direction, &Event::RpcCall(call));
            }
            Event::RpcResult(e) if e.interface.is_none() => {
                let Some(interface) = self.served() else {
                    return self.out.event(direction, event);
                };
                let catalog: &Catalog = self.catalog;
                let known = catalog.interface(interface);
                let result = RpcResult {
                    interface: Some(interface),
                    endpoint: known.map_or("", |i| &i.endpoint),
                    operation: known
                        .and_then(|i| i.operation(e.opnum))
                        .unwrap_or(e.operation),
                    ..*e
                };
                self.out.event(direction, &Event::RpcResult(result));
            }
            _ => self.out.event(direction, event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> Key {
        (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2]), port)
    }

    #[test]
    fn two_interfaces_on_a_port_name_nothing() {
        let mut e = Endpoints::default();
        e.learn(key(1), Guid(1));
        e.learn(key(1), Guid(1));
        assert_eq!(e.get(&key(1)), Some(Guid(1)));
        e.learn(key(1), Guid(2));
        e.learn(key(1), Guid(1));
        assert_eq!(e.get(&key(1)), None);
    }

    #[test]
    fn the_oldest_goes() {
        let mut e = Endpoints::default();
        for port in 0..=u16::try_from(RPC_ENDPOINTS).unwrap() {
            e.learn(key(port), Guid(1));
        }
        assert_eq!(e.known.len(), RPC_ENDPOINTS);
        assert_eq!(e.get(&key(0)), None);
        assert_eq!(e.get(&key(1)), Some(Guid(1)));
    }
}
