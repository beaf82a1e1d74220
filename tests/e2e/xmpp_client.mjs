// @xmpp/client as it is, over WebSocket, with a word for all that a test wants done: each line of the standard input is
// a JSON array of a word and its arguments, each is answered by a line with {"value"} or {"error"}.
import { createInterface } from 'node:readline';
import { client, jid, xml } from '@xmpp/client';

const heard = [];
const logins = [];
let xmpp;

const words = {
    heard: () => heard,
    logins: () => logins,
    async login(service, address, password) {
        const { local: username, domain } = jid(address);
        xmpp = client({ service, domain, ...(password ? { username, password } : {}) });
        xmpp.on('error', error => console.error(String(error)));
        xmpp.on('online', me => logins.push(me.toString()));
        xmpp.on('stanza', stanza => {
            const text = stanza.is('message') && stanza.getChildText('body');
            if (text) heard.push(text);
        });
        return (await xmpp.start()).toString();
    },
    say: (to, text, type) => xmpp.send(xml('message', { to, type }, xml('body', {}, text))),
    ping: async () => (await xmpp.iqCaller.get(xml('ping', 'urn:xmpp:ping'), xmpp.jid.domain)) !== null,
    async offend() {
        await xmpp.send(xml('message', { from: 'nobody@invalid/x' }));
        await xmpp.send(xml('offence'));
    },
    join(room, nick) {
        const joined = new Promise(resolve => xmpp.on('stanza', function seen(stanza) {
            if (!stanza.is('presence') || stanza.attrs.from !== `${room}/${nick}`) return;
            xmpp.off('stanza', seen);
            resolve(true);
        }));
        const presence = xml('presence', { to: `${room}/${nick}` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' }));
        return xmpp.send(presence).then(() => joined);
    },
    logout: () => xmpp.stop()
};

for await (const line of createInterface({ input: process.stdin })) {
    const [word, ...values] = JSON.parse(line);
    try {
        console.log(JSON.stringify({ value: (await words[word](...values)) ?? null }));
    } catch (error) {
        console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
    }
}
process.exit();
