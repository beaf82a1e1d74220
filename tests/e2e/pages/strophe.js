// strophe.js as it is, over BOSH or WebSocket as the scheme of the service says, with a word for all that a test wants done.
const { Strophe, $iq, $msg, $pres } = window;
const heard = [];
let connection;

function connected(start) {
    return new Promise((resolve, reject) => start((status, reason) => {
        const { CONNECTED, ATTACHED, CONNFAIL, AUTHFAIL, ERROR } = Strophe.Status;
        if (status === CONNECTED || status === ATTACHED) resolve(connection.jid);
        else if ([CONNFAIL, AUTHFAIL, ERROR].includes(status)) reject(new Error(`status ${status}: ${reason}`));
    })).then(jid => {
        connection.addHandler(message => {
            const body = message.getElementsByTagName('body')[0];
            if (body) heard.push(body.textContent);
            return true;
        }, null, 'message');
        return jid;
    });
}

function ask(iq) {
    return new Promise((resolve, reject) => connection.sendIQ(iq, () => resolve(true), reject, 15000));
}

window.client = {
    heard,
    login(service, jid, password) {
        connection = new Strophe.Connection(service, { keepalive: true });
        return connected(listener => connection.connect(jid, password, listener));
    },
    restore(service, jid) {
        connection = new Strophe.Connection(service, { keepalive: true });
        return connected(listener => connection.restore(jid, listener));
    },
    say(to, text, type) {
        connection.send($msg({ to, type }).c('body').t(text));
    },
    ping: () => ask($iq({ type: 'get' }).c('ping', { xmlns: 'urn:xmpp:ping' })),
    openRoom: (focus, room) => ask($iq({ to: focus, type: 'set' })
        .c('conference', { xmlns: 'http://jitsi.org/protocol/focus', room })),
    join(room, nick) {
        return new Promise(resolve => {
            connection.addHandler(presence => {
                if (presence.getAttribute('from') !== `${room}/${nick}`) return true;
                resolve(true);
                return false;
            }, null, 'presence');
            connection.send($pres({ to: `${room}/${nick}` }).c('x', { xmlns: 'http://jabber.org/protocol/muc' }));
        });
    },
    logout() {
        connection.flush();
        connection.disconnect('done');
    }
};
