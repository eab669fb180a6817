module.exports = {
  title: 'A site',
  url: 'https://docs.example',
  baseUrl: '/',
  trailingSlash: true,
  onBrokenLinks: 'ignore',
  presets: [['classic', {docs: {routeBasePath: '/'}, blog: false}]],
  customFields: {server: process.env.PUBLIC_SERVER},
};
