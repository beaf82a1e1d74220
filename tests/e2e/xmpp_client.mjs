// @xmpp/client as it is, over WebSocket: logs in, talks to itself and to a room, loses its connection, comes back.
// Arguments: service, domain, user name and password ("" = anonymous), room. Prints what it has seen as JSON.
import { client, jid, xml } from '@xmpp/client';

const [service, domain, username, password, room] = process.argv.slice(2);
const xmpp = client({ service, domain, ...(username ? { username, password } : {}) });
const seen = { online: [] };
const timer = setTimeout(() => { console.error('too late', JSON.stringify(seen)); process.exit(1); }, 60000);
xmpp.on('error', error => console.error(String(error)));
xmpp.on('online', address => seen.online.push(address.toString()));

function next(fits) {
    return new Promise(resolve => xmpp.on('stanza', function take(stanza) {
        if (!fits(stanza)) return;
        xmpp.off('stanza', take);
        resolve(stanza);
    }));
}

async function echo(to, text, type) {
    const heard = next(stanza => stanza.is('message') && stanza.getChildText('body') === text);
    await xmpp.send(xml('message', { to, type }, xml('body', {}, text)));
    return (await heard).attrs.from;
}

const me = await xmpp.start();
seen.echo = await echo(me.toString(), 'größe & <x>', 'chat');
const joined = next(stanza => stanza.is('presence') && stanza.attrs.from === `${room}/node`);
await xmpp.send(xml('presence', { to: `${room}/node` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })));
await joined;
seen.room = await echo(room, 'hello from node', 'groupchat');
const again = new Promise(resolve => xmpp.once('online', resolve));
await xmpp.disconnect();
seen.again = await echo((await again).toString(), 'still here', 'chat');
seen.ping = (await xmpp.iqCaller.get(xml('ping', 'urn:xmpp:ping'), jid(me.domain).toString())) !== null;
await xmpp.stop();
clearTimeout(timer);
console.log(JSON.stringify(seen));
