// converse.js as it is, over BOSH or WebSocket as the scheme of the service says, with a word for all that a test wants done.
const { converse } = window;
const heard = [];
const logins = [];
let api;

converse.plugins.add('test', {
    initialize() {
        api = this._converse.api;
        api.listen.on('message', ({ stanza }) => {
            const body = stanza.querySelector(':scope > body');
            if (body) heard.push(body.textContent);
        });
        const online = () => logins.push(api.connection.get().jid);
        api.listen.on('connected', online);
        api.listen.on('reconnected', online);
    }
});

window.client = {
    heard: () => heard,
    logins: () => logins,
    async login(service, jid, password) {
        const account = password ? { authentication: 'login', jid, password } : { authentication: 'anonymous', jid };
        await converse.initialize({
            ...account,
            [service.startsWith('ws') ? 'websocket_url' : 'bosh_service_url']: service,
            assets_path: '/modules/converse.js/dist/',
            auto_login: true,
            discover_connection_methods: false,
            i18n: 'en',
            keepalive: false,
            loglevel: 'warn',
            theme: 'default',
            view_mode: 'fullscreen',
            whitelisted_plugins: ['test']
        });
        if (!logins.length) await new Promise(resolve => api.listen.on('connected', resolve));
        return logins[0];
    },
    say(to, text, type) {
        api.send(converse.env.$msg({ to, type }).c('body').t(text));
    },
    async ping() {
        await api.sendIQ(converse.env.$iq({ type: 'get' }).c('ping', { xmlns: 'urn:xmpp:ping' }));
        return true;
    },
    offend() {
        const { $build, $msg } = converse.env;
        api.send($msg({ from: 'nobody@invalid/x' }));
        api.send($build('offence', { xmlns: 'jabber:client' }));
    },
    async join(room, nick) {
        const opened = await api.rooms.open(room, { nick });
        await opened.initialized;
        return true;
    },
    logout: () => api.user.logout()
};
