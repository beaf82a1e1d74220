// strophe.js as it is, over BOSH or WebSocket as the scheme of the service says, with a word for all that a test wants done.
const { Strophe, $build, $iq, $msg, $pres } = window;
const heard = [];
const logins = [];
let connection;
let leaving = false;

// As applications do: who is cut off connects again.
function stay(connect) {
    return new Promise((resolve, reject) => connect(function changed(status, reason) {
        const { CONNECTED, ATTACHED, AUTHFAIL, DISCONNECTED } = Strophe.Status;
        if (status === CONNECTED || status === ATTACHED) {
            connection.addHandler(hear, null, 'message');
            logins.push(connection.jid);
            resolve(connection.jid);
        } else if (status === AUTHFAIL) {
            reject(new Error(reason));
        } else if (status === DISCONNECTED && logins.length && !leaving) {
            setTimeout(() => { connection.reset(); connect(changed); }, 300);
        } else if (status === DISCONNECTED) {
            reject(new Error(`disconnected: ${reason}`));
        }
    }));
}

function hear(message) {
    const body = message.getElementsByTagName('body')[0];
    if (body) heard.push(body.textContent);
    return true;
}

function ask(iq) {
    return new Promise((resolve, reject) => connection.sendIQ(iq, () => resolve(true), reject, 15000));
}

window.client = {
    heard: () => heard,
    logins: () => logins,
    login(service, jid, password) {
        connection = new Strophe.Connection(service, { keepalive: true });
        return stay(listener => connection.connect(jid, password, listener));
    },
    restore(service, jid) {
        connection = new Strophe.Connection(service, { keepalive: true });
        return stay(listener => connection.restore(jid, listener));
    },
    say(to, text, type) {
        connection.send($msg({ to, type }).c('body').t(text));
    },
    ping: () => ask($iq({ type: 'get' }).c('ping', { xmlns: 'urn:xmpp:ping' })),
    offend() {
        connection.send($msg({ from: 'nobody@invalid/x' }));
        connection.send($build('offence', { xmlns: 'jabber:client' }));
    },
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
        leaving = true;
        connection.flush();
        connection.disconnect('done');
    }
};
