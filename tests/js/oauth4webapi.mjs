// node oauth4webapi.mjs CAST — what happens to a client that is built on oauth4webapi and jose, as one line of JSON.

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const { issuer, audience, app, user, service } = JSON.parse(process.argv[2]);
// The issuer of the tests speaks plain HTTP on loopback.
const plain = { [oauth.allowInsecureRequests]: true };
const url = new URL(issuer);
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: "oauth2", ...plain }));
const person = { client_id: app };
const machine = { client_id: service.client_id };
const none = oauth.None();
const basic = oauth.ClientSecretBasic(service.client_secret);

const login = await oauth.processGenericTokenEndpointResponse(
  as,
  person,
  await oauth.genericTokenEndpointRequest(as, person, none, "password", new URLSearchParams(user), plain),
);
const refreshed = await refresh(login.refresh_token);
const byBasic = await clientCredentials(basic);
const byPost = await clientCredentials(oauth.ClientSecretPost(service.client_secret));
await verify(refreshed.access_token);
const before = await introspect(refreshed.access_token);
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, person, none, refreshed.refresh_token, plain),
);
const after = await introspect(refreshed.access_token);

console.log(
  JSON.stringify({
    login: login.scope,
    refreshed: refreshed.refresh_token !== login.refresh_token && refreshed.access_token !== login.access_token,
    service: [byBasic.scope, byPost.scope],
    introspected: [before.active, before.username, after.active],
    refused: [
      await refusal(refresh(refreshed.refresh_token)),
      await refusal(clientCredentials(oauth.ClientSecretBasic("wrong"))),
      await refusal(clientCredentials(oauth.ClientSecretPost("wrong"))),
    ],
  }),
);

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(as, person, none, token, plain);
  return oauth.processRefreshTokenResponse(as, person, response);
}

async function clientCredentials(authentication) {
  const wanted = { scope: "orders:write" };
  const response = await oauth.clientCredentialsGrantRequest(as, machine, authentication, wanted, plain);
  return oauth.processClientCredentialsResponse(as, machine, response);
}

async function introspect(token) {
  const response = await oauth.introspectionRequest(as, machine, basic, token, plain);
  return oauth.processIntrospectionResponse(as, machine, response);
}

// By the library's own idea of an RFC 9068 token, and by jose.
async function verify(token) {
  const request = new Request(issuer, { headers: { authorization: `Bearer ${token}` } });
  await oauth.validateJwtAccessToken(as, request, audience, plain);
  await jwtVerify(token, createRemoteJWKSet(new URL(as.jwks_uri)), { issuer, audience, typ: "at+jwt" });
}

// A challenge comes before the body for this library: its own error then holds the whole answer.
async function refusal(attempt) {
  const error = await attempt.then(() => new Error("was accepted"), (error) => error);
  if (error instanceof oauth.ResponseBodyError) return error.error;
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
  return (await error.response.json()).error;
}
