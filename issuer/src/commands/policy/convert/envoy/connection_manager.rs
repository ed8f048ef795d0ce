//! `HttpConnectionManager`: its filters and its routes.

use crate::commands::policy::convert::document::{self, JWT, RBAC};
use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::Said;

#[derive(Debug)]
pub(crate) struct ConnectionManager<'a> {
    pub(crate) filters: Vec<Node<'a>>,
    /// `None` if the document is a part without routes.
    pub(crate) routes: Option<Node<'a>>,
}

/// The converted policy takes the filters' place behind the same connection manager, so all that this does to a request
/// before them, as normalising its path, comes before the policy, too.
const KNOWN: Known = Known {
    read: &[
        "@type",
        "rds",
        "route_config",
        "scoped_routes",
        "http_filters",
        "upgrade_configs",
        "codec_type",
        "stat_prefix",
        "add_user_agent",
        "tracing",
        "common_http_protocol_options",
        "http1_safe_max_connection_duration",
        "http_protocol_options",
        "http2_protocol_options",
        "http3_protocol_options",
        "server_name",
        "server_header_transformation",
        "scheme_header_transformation",
        "max_request_headers_kb",
        "stream_idle_timeout",
        "stream_flush_timeout",
        "request_timeout",
        "request_headers_timeout",
        "drain_timeout",
        "drain_timeout_jitter",
        "delayed_close_timeout",
        "access_log",
        "access_log_flush_interval",
        "flush_access_log_on_new_request",
        "access_log_options",
        "use_remote_address",
        "xff_num_trusted_hops",
        "original_ip_detection_extensions",
        "early_header_mutation_extensions",
        "internal_address_config",
        "skip_xff_append",
        "via",
        "generate_request_id",
        "preserve_external_request_id",
        "always_set_request_id_in_response",
        "forward_client_cert_details",
        "set_current_client_cert_details",
        "forward_client_cert_matcher",
        "proxy_100_continue",
        "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
        "normalize_path",
        "merge_slashes",
        "path_with_escaped_slashes_action",
        "path_normalization_options",
        "request_id_extension",
        "local_reply_config",
        "strip_matching_host_port",
        "strip_any_host_port",
        "strip_trailing_host_dot",
        "stream_error_on_invalid_http_message",
        "proxy_status_config",
        "typed_header_validation_config",
        "append_x_forwarded_port",
        "append_local_overload",
        "add_proxy_protocol_connection_state",
        "forward_proto_config",
        "record_route_resolution_stats",
    ],
    refused: &[],
};

/// Reads a manager. `routes` are the route configurations that stand elsewhere in the document.
pub(crate) fn read<'a>(node: &Node<'a>, routes: &[Node<'a>]) -> Said<ConnectionManager<'a>> {
    let message = node.message(KNOWN)?;
    let elsewhere =
        node.children().into_iter().filter(|child| !child.place.ends_with("ilters") && !is_routes(child));
    for child in elsewhere {
        if [JWT, RBAC].iter().any(|kind| document::mentions(child.value, kind)) {
            return Err(child.unsaid("a jwt_authn or rbac filter outside `http_filters` cannot be converted"));
        }
    }
    for upgrade in message.items("upgrade_configs")? {
        if upgrade.value.get("filters").is_some() {
            return Err(upgrade.unsaid("a chain of filters of its own cannot be converted"));
        }
    }
    Ok(ConnectionManager {
        filters: message.need("http_filters")?.items()?,
        routes: self::routes(&message, routes)?,
    })
}

fn is_routes(node: &Node<'_>) -> bool {
    ["route_config", "routeConfig"].iter().any(|name| node.place.ends_with(name))
}

fn routes<'a>(message: &Message<'a>, elsewhere: &[Node<'a>]) -> Said<Option<Node<'a>>> {
    match message.one_of(&["route_config", "rds", "scoped_routes"])? {
        None => Ok(None),
        Some(("route_config", node)) => Ok(Some(node.clone())),
        Some(("rds", rds)) => {
            let read = rds.message(Known { read: &["config_source", "route_config_name"], refused: &[] })?;
            let name = read.text("route_config_name")?.unwrap_or_default();
            let named =
                |node: &&Node<'a>| node.value.get("name").and_then(serde_json::Value::as_str) == Some(name);
            let found = elsewhere.iter().find(named).cloned();
            found.map(Some).ok_or_else(|| {
                rds.unsaid(&format!("routes can change what filters do: the document must hold the route configuration {name:?}"))
            })
        }
        Some((_, scoped)) => Err(scoped.unsaid("routes by scope cannot be converted")),
    }
}
