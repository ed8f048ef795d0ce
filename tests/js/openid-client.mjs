// node openid-client.mjs CAST — what happens to a client that is built on openid-client, as one line of JSON.

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";

const { issuer, audience, app, user, service } = JSON.parse(process.argv[2]);
const person = await discovered(app, client.None());
const basic = await discovered(service.client_id, client.ClientSecretBasic(service.client_secret));
const post = await discovered(service.client_id, client.ClientSecretPost(service.client_secret));

const login = await client.genericGrantRequest(person, "password", user);
const refreshed = await client.refreshTokenGrant(person, login.refresh_token);
const tokens = [await clientCredentials(basic), await clientCredentials(post)];
const keys = createRemoteJWKSet(new URL(person.serverMetadata().jwks_uri));
await jwtVerify(refreshed.access_token, keys, { issuer, audience, typ: "at+jwt" });
const before = await client.tokenIntrospection(basic, refreshed.access_token);
await client.tokenRevocation(person, refreshed.refresh_token);
const after = await client.tokenIntrospection(post, refreshed.access_token);

console.log(
  JSON.stringify({
    login: login.scope,
    refreshed: refreshed.refresh_token !== login.refresh_token && refreshed.access_token !== login.access_token,
    service: tokens.map(({ scope }) => scope),
    introspected: [before.active, before.username, after.active],
    refused: [
      await refusal(client.refreshTokenGrant(person, refreshed.refresh_token)),
      await refusal(clientCredentials(await discovered(service.client_id, client.ClientSecretBasic("wrong")))),
      await refusal(clientCredentials(await discovered(service.client_id, client.ClientSecretPost("wrong")))),
    ],
  }),
);

// The issuer of the tests speaks plain HTTP on loopback.
function discovered(id, authentication) {
  const options = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };
  return client.discovery(new URL(issuer), id, undefined, authentication, options);
}

function clientCredentials(configuration) {
  return client.clientCredentialsGrant(configuration, { scope: "orders:write" });
}

// A challenge comes before the body for this library: its own error then holds the whole answer.
async function refusal(attempt) {
  const error = await attempt.then(() => new Error("was accepted"), (error) => error);
  if (error instanceof client.ResponseBodyError) return error.error;
  if (!(error instanceof client.WWWAuthenticateChallengeError)) throw error;
  return (await error.response.json()).error;
}
