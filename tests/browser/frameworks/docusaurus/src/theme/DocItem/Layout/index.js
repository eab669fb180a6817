import useDocusaurusContext from '@docusaurus/useDocusaurusContext';
import Layout from '@theme-original/DocItem/Layout';
import {Comments} from '../../../integrations/docusaurus/Comments.jsx';

export default function LayoutWithComments(props) {
  const {siteConfig} = useDocusaurusContext();
  return (
    <>
      <Layout {...props} />
      <Comments server={siteConfig.customFields.server} site={1} />
    </>
  );
}
