// A certified OpenID provider for the tests. Reads {port, jwks, clients, people, audience} as one line of JSON from
// standard input, and further lines {people} or {hang}; ends with it. People: {name: {claims}}; who is not there cannot sign in, nor renew.
import { createInterface } from 'node:readline';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const wanted = JSON.parse((await lines.next()).value);
let people = wanted.people;

const claims = ['preferred_username', 'groups', 'upn'];
const provider = new Provider(`http://localhost:${wanted.port}`, {
  clients: wanted.clients,
  jwks: wanted.jwks,
  cookies: { keys: ['of the tests'] },
  claims: { openid: ['sub', ...claims] },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => people[id] && ({ accountId: id, claims: () => ({ ...people[id], sub: id }) }),
  extraTokenClaims: (ctx, token) => people[token.accountId],
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  issueRefreshToken: () => wanted.refresh !== false,
  rotateRefreshToken: true,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      defaultResource: (ctx) => ctx.oidc.params.scope?.includes('api') ? wanted.audience : undefined,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'api', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(wanted.audience, 'api');
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: 300, IdToken: 300, Grant: 3600, Session: 3600, Interaction: 600, RefreshToken: 3600 },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/sign-in/')) return next();
  if (ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = '<title>Provider</title><form method="post"><label>Name <input name="login"></label><button>Sign in</button></form>';
    return;
  }
  let body = '';
  for await (const piece of ctx.req) body += piece;
  const login = new URLSearchParams(body).get('login');
  if (people[login]) await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: login } });
  else await provider.interactionFinished(ctx.req, ctx.res, { error: 'access_denied', error_description: 'no such person' });
  ctx.respond = false;
});

provider.on('server_error', (ctx, error) => console.error(error));

let hang = false;
let asked = {};
const answer = provider.callback();
const server = createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/asked') { response.end(JSON.stringify(asked)); return; }
  asked[path] = (asked[path] ?? 0) + 1;
  if (!hang) answer(request, response);
}).listen(wanted.port, '127.0.0.1', () => console.log('listening'));

for await (const line of lines) {
  const told = JSON.parse(line);
  if (told.people) people = told.people;
  if (told.hang !== undefined) hang = told.hang;
  console.log('told');
}
server.closeAllConnections();
process.exit(0);
