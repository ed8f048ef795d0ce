//! A client that is built on the `oauth2` crate, whose requests go out over the harness's HTTP.

use std::io;

use anyhow::{Context, Result, bail};
use keystone_tests::cast;
use keystone_tests::http::Site;
use keystone_tests::issuer::Issuer;
use oauth2::basic::{BasicClient, BasicRequestTokenError, BasicTokenResponse};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IntrospectionUrl, ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl, Scope,
    StandardRevocableToken, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};
use serde_json::{Value, json};

/// Without an authorisation and a device endpoint; with introspection, revocation and tokens.
type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;
type Told<T> = Result<T, BasicRequestTokenError<io::Error>>;

pub(super) fn story(issuer: &Issuer, secret: &str) -> Result<Value> {
    let metadata = issuer.site.get("/.well-known/oauth-authorization-server").send()?.expect(200)?.json()?;
    let client = |id: &str| client(&metadata, id);
    let service = |secret: &str, how: AuthType| -> Result<Client> {
        Ok(client("fulfilment")?.set_client_secret(ClientSecret::new(secret.to_owned())).set_auth_type(how))
    };
    let app = client(cast::APP)?;
    let http = |request: HttpRequest| send(&issuer.site, request);

    let (name, password) = (ResourceOwnerUsername::new("alice".into()), cast::password("alice")?);
    let login: BasicTokenResponse =
        app.exchange_password(&name, &ResourceOwnerPassword::new(password.into())).request(&http)?;
    let first = login.refresh_token().context("no refresh token")?;
    let refreshed: BasicTokenResponse = app.exchange_refresh_token(first).request(&http)?;
    let second = refreshed.refresh_token().context("no refresh token")?;
    let service_token = |secret: &str, how: AuthType| -> Result<Told<BasicTokenResponse>> {
        let wanted = Scope::new("orders:write".to_owned());
        Ok(service(secret, how)?.exchange_client_credentials().add_scope(wanted).request(&http))
    };
    let introspect = |token: &AccessToken| -> Result<_> {
        Ok(service(secret, AuthType::BasicAuth)?.introspect(token).request(&http)?)
    };
    let before = introspect(refreshed.access_token())?;
    app.revoke_token(StandardRevocableToken::from(second))?.request(&http)?;
    let after = introspect(refreshed.access_token())?;

    Ok(json!({
        "login": scope(&login),
        "refreshed": first.secret() != second.secret()
            && login.access_token().secret() != refreshed.access_token().secret(),
        "service": [
            scope(&service_token(secret, AuthType::BasicAuth)??),
            scope(&service_token(secret, AuthType::RequestBody)??),
        ],
        "introspected": [before.active(), before.username(), after.active()],
        "refused": [
            refusal(app.exchange_refresh_token(second).request(&http))?,
            refusal(service_token("wrong", AuthType::BasicAuth)?)?,
            refusal(service_token("wrong", AuthType::RequestBody)?)?,
        ],
    }))
}

/// The crate reads no metadata by itself.
fn client(metadata: &Value, id: &str) -> Result<Client> {
    let endpoint = |name: &str| -> Result<String> {
        let url = metadata.get(name).and_then(Value::as_str);
        Ok(url.with_context(|| format!("the metadata names no {name}"))?.to_owned())
    };
    // The crate revokes over TLS only; `send` looks at the path alone, as behind a proxy that ends TLS.
    let revocation = endpoint("revocation_endpoint")?.replacen("http:", "https:", 1);
    Ok(BasicClient::new(ClientId::new(id.to_owned()))
        .set_token_uri(TokenUrl::new(endpoint("token_endpoint")?)?)
        .set_introspection_url(IntrospectionUrl::new(endpoint("introspection_endpoint")?)?)
        .set_revocation_url(RevocationUrl::new(revocation)?))
}

fn send(site: &Site, request: HttpRequest) -> io::Result<HttpResponse> {
    let (head, body) = request.into_parts();
    let mut asked = site.request(head.method.as_str(), head.uri.path());
    let mut kind = "";
    for (name, value) in &head.headers {
        match name.as_str() {
            "content-type" => kind = value.to_str().map_err(io::Error::other)?,
            name => asked = asked.header(name, value.as_bytes()),
        }
    }
    let answer = asked.body(kind, body).send().map_err(io::Error::other)?;
    let mut response = HttpResponse::new(answer.text().into_bytes());
    *response.status_mut() = answer.status.try_into().map_err(io::Error::other)?;
    if let Some(kind) = answer.header("content-type") {
        response.headers_mut().insert("content-type", kind.parse().map_err(io::Error::other)?);
    }
    Ok(response)
}

fn scope(token: &BasicTokenResponse) -> Option<String> {
    token.scopes().map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "))
}

fn refusal(told: Told<BasicTokenResponse>) -> Result<String> {
    match told {
        Err(BasicRequestTokenError::ServerResponse(error)) => Ok(error.error().as_ref().to_owned()),
        Err(error) => bail!("not an answer of OAuth: {error}"),
        Ok(_) => bail!("was accepted"),
    }
}
