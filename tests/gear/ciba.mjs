// An OpenID provider with CIBA in poll mode, for tests and the demonstration: the npm package oidc-provider, with users,
// clients, and a phone that a control port answers for.
//
//     node ciba.mjs FOLDER [SETTINGS]
//
// FOLDER takes what is made anew at each start: ca.pem, which signed the server's certificate, and the clients' private keys
// (ID.pem). SETTINGS is JSON: interval, seconds between two polls (1); slow, how many polls are answered slow_down though
// they were in time (0); leash, whether the end of standard input ends the server (false).
//
// When it is ready, one line of JSON goes to standard output: issuer, control (a port of 127.0.0.1), ca_file, secret. All
// else goes to standard error. The control port speaks HTTP:
//
//     GET  /questions                 {asked, polls, early, slowed, pending: [{id, user, client, scope, binding_message, expiry}]}
//     POST /answer?result=RESULT      approve, deny, or an error code for the token endpoint, to the newest pending question;
//            &user=NAME &wait=SECONDS to that user's; waiting for one to come. 404 if there is none

import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

console.log = console.info = console.warn = console.error;

// The modules lie above the node that runs this, not above this file: tests/make/gear put both there.
const { Provider, errors } = createRequire(process.execPath)('oidc-provider');

const folder = path.resolve(process.argv[2]);
const { interval = 1, slow = 0, leash = false } = JSON.parse(process.argv[3] ?? '{}');
const within = (name) => path.join(folder, name);

const USERS = {
  alice: { email: 'Alice@example.test' },
  bob: { email: 'bob@example.test' },
  mallory: { email: 'mallory@example.test', email_verified: false },
};

// The clients that prove themselves by a key: how that key is made, and how the id_tokens for them are signed.
const KEYS = {
  rs256: ['rsa', { modulusLength: 2048 }, 'PS256'],
  es256: ['ec', { namedCurve: 'P-256' }, 'ES256'],
  es384: ['ec', { namedCurve: 'P-384' }, 'ES384'],
  eddsa: ['ed25519', {}, 'EdDSA'],
};

// Characters that HTTP Basic changes (RFC 6749, section 2.3.1).
const secret = `a+b c/d%e:f=g&${randomBytes(16).toString('hex')}`;

// --- What is made at each start -------------------------------------------------------------------------------------------

function certificates() {
  writeFileSync(within('openssl.cnf'), `
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
`);
  const certificate = (name, section, ...more) => execFileSync('openssl', [
    'req', '-x509', '-config', 'openssl.cnf', '-extensions', section, '-subj', `/CN=test ${name}`, '-days', '2', '-noenc',
    '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', `${name}.key`, '-out', `${name}.pem`, ...more,
  ], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  certificate('ca', 'ca');
  certificate('server', 'server', '-CA', 'ca.pem', '-CAkey', 'ca.key');
}

function keyPair(type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { pem: privateKey.export({ type: 'pkcs8', format: 'pem' }), private: privateKey.export({ format: 'jwk' }),
    public: createPublicKey(privateKey).export({ format: 'jwk' }) };
}

function clients() {
  const common = { redirect_uris: [], response_types: [], grant_types: ['urn:openid:params:grant-type:ciba'],
    backchannel_token_delivery_mode: 'poll' };
  const withSecret = ['basic', 'post'].map((how) => (
    { ...common, client_id: `radius/${how}:1`, client_secret: secret, token_endpoint_auth_method: `client_secret_${how}` }));
  const withKey = Object.entries(KEYS).map(([name, [type, options, signed]]) => {
    const pair = keyPair(type, options);
    writeFileSync(within(`${name}.pem`), pair.pem, { mode: 0o600 });
    return { ...common, client_id: name, token_endpoint_auth_method: 'private_key_jwt', id_token_signed_response_alg: signed,
      jwks: { keys: [{ ...pair.public, kid: `key of ${name}` }] } };
  });
  return [...withSecret, ...withKey];
}

// --- The provider ---------------------------------------------------------------------------------------------------------

const pending = new Map();
const polled = new Map();
const counts = { asked: 0, polls: 0, early: 0, slowed: 0 };

function provide(issuer) {
  const provider = new Provider(issuer, {
    clients: clients(),
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'ES256', 'ES384', 'EdDSA'],
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] },
    jwks: { keys: Object.entries(KEYS).map(([name, [type, options]]) => (
      { ...keyPair(type, options).private, use: 'sig', kid: `provider's ${name}` })) },
    scopes: ['openid', 'email'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(16).toString('hex')] },
    ttl: { BackchannelAuthenticationRequest: (ctx) => Math.min(120, Number(ctx.oidc.params.requested_expiry) || 120),
      AccessToken: 60, IdToken: 60, Grant: 60 },
    findAccount: (ctx, id) => USERS[id] && { accountId: id, claims: () => ({ sub: id, ...USERS[id] }) },
    features: {
      devInteractions: { enabled: false },
      ciba: {
        enabled: true,
        deliveryModes: ['poll'],
        processLoginHint: (ctx, hint) => Object.keys(USERS).find((name) => (
          name === hint || USERS[name].email.toLowerCase() === hint.toLowerCase())),
        processLoginHintToken: () => undefined,
        verifyUserCode: () => {},
        validateRequestContext: () => {},
        validateBindingMessage: (ctx, message) => {
          if (message !== undefined && !/^[0-9A-Za-z]{1,8}$/.test(message)) throw new errors.InvalidBindingMessage('no');
        },
        triggerAuthenticationDevice: (ctx, request, account, client) => {
          counts.asked += 1;
          const { binding_message, requested_expiry } = request.params;
          pending.set(request.jti, { id: request.jti, user: account.accountId, client: client.clientId, scope: request.scope,
            binding_message: binding_message ?? null, expiry: Number(requested_expiry) });
        },
      },
    },
  });
  // The package neither tells an interval nor minds how often it is asked; RFC 8628, section 3.5, says what slow_down costs.
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/backchannel' && ctx.body?.auth_req_id) ctx.body.interval = interval;
    if (ctx.path !== '/token' || ctx.body?.error !== 'authorization_pending') return;
    const poll = polled.get(ctx.oidc.params.auth_req_id) ?? { rest: interval, at: -Infinity };
    const now = performance.now() / 1000;
    const early = now - poll.at < poll.rest - 0.05;
    counts.polls += 1;
    counts.early += early;
    if (early || counts.slowed < slow) {
      counts.slowed += 1;
      poll.rest += 5;
      ctx.body = { error: 'slow_down' };
    }
    polled.set(ctx.oidc.params.auth_req_id, { ...poll, at: now });
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

// --- The phone ------------------------------------------------------------------------------------------------------------

async function answer(provider, { result, user, wait = 0 }) {
  const newest = () => [...pending.values()].findLast((question) => !user || question.user === user);
  const end = Date.now() + 1000 * wait;
  while (!newest() && Date.now() < end) await sleep(20);
  const question = newest();
  const request = question && await provider.BackchannelAuthenticationRequest.find(question.id);
  if (!request) return 404;
  pending.delete(question.id);
  if (result === 'approve') {
    const grant = new provider.Grant({ clientId: request.clientId, accountId: request.accountId });
    grant.addOIDCScope(request.scope);
    await grant.save();
    await provider.backchannelResult(request, grant, { amr: ['swk', 'user'], authTime: Math.floor(Date.now() / 1000) });
  } else {
    const said = result === 'deny' ? new errors.AccessDenied() : new errors.CustomOIDCProviderError(result, 'as told');
    await provider.backchannelResult(request, said);
  }
  return 204;
}

async function control(provider, request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://control');
  try {
    if (pathname === '/questions') return response.end(JSON.stringify({ ...counts, pending: [...pending.values()] }));
    response.statusCode = pathname === '/answer' ? await answer(provider, Object.fromEntries(searchParams)) : 404;
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
  }
  return response.end();
}

certificates();
const server = https.createServer({ key: readFileSync(within('server.key')), cert: readFileSync(within('server.pem')) });
const phone = http.createServer();
server.listen(0, '127.0.0.1');
phone.listen(0, '127.0.0.1');
await Promise.all([once(server, 'listening'), once(phone, 'listening')]);
const issuer = `https://localhost:${server.address().port}`;
const provider = provide(issuer);
server.on('request', provider.callback());
phone.on('request', (request, response) => control(provider, request, response));
if (leash) process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ issuer, control: phone.address().port, ca_file: within('ca.pem'), secret })}\n`);
