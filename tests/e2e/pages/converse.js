// converse.js as it is, over BOSH or WebSocket as the scheme of the service says, with a word for all that a test wants done.
const { converse } = window;
const heard = [];
let api;

converse.plugins.add('test', {
    initialize() {
        api = this._converse.api;
        api.listen.on('message', ({ stanza }) => {
            const body = stanza.querySelector(':scope > body');
            if (body) heard.push(body.textContent);
        });
    }
});

window.client = {
    heard,
    async login(service, jid, password) {
        const account = password ? { authentication: 'login', jid, password } : { authentication: 'anonymous', jid };
        const ready = new Promise(resolve => { window.converseReady = resolve; });
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
        api.listen.on('connected', window.converseReady);
        if (!api.connection.connected()) await ready;
        return api.connection.get().jid;
    },
    say(to, text, type) {
        const { $msg } = converse.env;
        api.send($msg({ to, type }).c('body').t(text));
    },
    ping: async () => {
        const { $iq } = converse.env;
        await api.sendIQ($iq({ type: 'get' }).c('ping', { xmlns: 'urn:xmpp:ping' }));
        return true;
    },
    async join(room, nick) {
        const opened = await api.rooms.open(room, { nick });
        await opened.initialized;
        return true;
    },
    logout: () => api.user.logout()
};
